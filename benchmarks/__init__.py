"""What `spirl bench` runs: ours and its peers, interleaved."""
