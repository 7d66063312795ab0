"""What nets, exits and the plain net cost on a board."""
