"""What pages ask for: results, recordings and runs, each read or computed once."""
