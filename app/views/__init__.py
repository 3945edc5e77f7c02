"""The pages of the dashboard.

Not called `pages`: Streamlit would take a folder of that name beside the main script for its older
kind of multi-page app and show its files by themselves.
"""
