"""What reproduces the tables of the paper, and yardsticks beside them."""
