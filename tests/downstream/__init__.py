"""Our laws, applied to other people's packages in environments of their own."""
