"""Exit prediction: where an input will leave, from the first exit's scores."""
