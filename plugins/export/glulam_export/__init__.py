"""Trained policies as programs that need no glulam: of `torch.export`, and ONNX."""
