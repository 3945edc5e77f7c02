"""Files in and out: NumPy archives, JSON, and what other toolkits leave behind."""
