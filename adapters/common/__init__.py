"""What several platforms' adapters share: splitting, degrading, pacing, drafts, steps, bodies."""
