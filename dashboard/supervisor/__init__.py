"""Starts every part of Streamlab on one machine, keeps it running and stops it whole."""
