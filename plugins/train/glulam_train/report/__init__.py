"""`glulam report`: what a training run or a sweep was and became, as one HTML file."""
