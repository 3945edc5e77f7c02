"""What tests share: inputs whose answers are known, small models, a dashboard with a browser."""
