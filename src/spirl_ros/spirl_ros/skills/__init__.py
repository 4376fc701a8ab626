"""The skill model: encoder, decoder and skill prior, learned together from demonstrations (torch, no ROS)."""
