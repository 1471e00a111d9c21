"""Training what Teller ships. Data that it is trained on lies in `data/`."""
