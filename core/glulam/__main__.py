"""`python -m glulam`: the command line where a program such as torchrun wants a module."""

from glulam.cli import main

if __name__ == "__main__":
    main()
