"""Read, check and edit GraphDefs as protocol messages, without TensorFlow."""
