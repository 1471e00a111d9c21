"""Keys, sealing and what may be done with them. Pure but for the keyring's file; the store applies it."""
