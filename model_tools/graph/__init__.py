"""Looking at and rewriting GraphDefs as plain protocol messages, without TensorFlow."""
