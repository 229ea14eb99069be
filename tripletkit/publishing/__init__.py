"""Tables → a dataset folder with its card → the Hub."""
