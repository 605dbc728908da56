"""From a loaded model to a frozen graph that its reader takes, and that answers as its source."""
