"""
Who gets in, and what they may do where: passwords, rights by directory, homes, and what
wrong passwords cost.  It knows no verb and no socket, and touches no file but those of the
administrator: passwords and rights.
"""
