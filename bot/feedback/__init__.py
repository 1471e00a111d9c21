"""What customers and staff thought of answers, and the training rows that a review makes of it."""
