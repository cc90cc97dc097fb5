"""One network on one data set: scores of each image, and intervals."""
