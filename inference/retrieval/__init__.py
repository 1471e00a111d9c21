"""Hybrid retrieval over the bank's knowledge: lexical and dense signals, one learned fusion."""
