"""The process border: wire messages, the worker's child side, the supervisor's parent side."""
