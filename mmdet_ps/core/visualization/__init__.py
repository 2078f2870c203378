"""What draws: pictures of what a model found."""
