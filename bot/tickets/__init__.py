"""Tickets: a case for a person, with a number, a department and a deadline."""
