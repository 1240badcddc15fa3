"""What tabs have in common: the weights picker, the player, messages, pieces of HTML."""
