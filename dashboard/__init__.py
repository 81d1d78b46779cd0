"""The web application that shows the broker live and operates it."""
