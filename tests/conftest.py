"""What all tests share.

Tidepool's fixtures (`tidepool`, `workspace`, `storage_account` ...) are its pytest plugin's.
"""
