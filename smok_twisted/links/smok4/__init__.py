"""SMOK/4 after the login (design note smok4, "Messages"): pure messages, plans and rounds; a session for each side."""
