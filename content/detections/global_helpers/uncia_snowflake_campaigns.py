"""Addresses that were published as those of attacks on Snowflake customers.

A list to be kept up to date: put a file of this name, with its YAML, into a content folder of your own, and all detections
that ask about campaigns use yours.
"""

from datetime import date

# One entry a campaign. `first_seen` and `last_seen` are days; addresses are separated by white space.
CAMPAIGNS = [
    {
        "name": "UNC5537",
        # The list of Snowflake's customer communication 0108977, May and June 2024.
        "reference": "https://community.snowflake.com/s/article/Communication-ID-0108977-Additional-Information",
        "first_seen": "2024-04-14",
        "last_seen": "2024-06-10",
        "addresses": """
            5.47.87.202 37.19.210.21 37.19.210.34 45.86.221.146 45.134.140.144 45.134.142.200 45.155.91.99
            66.63.167.147 66.115.189.247 79.127.217.44 87.249.134.11 93.115.0.49 96.44.191.140 102.165.16.161
            104.129.24.115 104.129.24.124 104.223.91.28 138.199.34.144 146.70.117.56 146.70.117.210 146.70.119.24
            146.70.124.216 146.70.165.227 146.70.166.176 146.70.171.99 146.70.171.112 154.47.30.137 154.47.30.150
            162.33.177.32 169.150.201.25 169.150.203.22 169.150.223.208 173.44.63.112 176.123.3.132 176.123.6.193
            176.220.186.152 184.147.100.29 185.156.46.144 185.156.46.163 185.204.1.178 185.213.155.241
            185.248.85.14 185.248.85.59 192.252.212.60 193.32.126.233 194.230.144.50 194.230.144.126
            194.230.145.67 194.230.145.76 194.230.147.127 194.230.148.99 194.230.158.107 194.230.158.178
            194.230.160.5 194.230.160.237 198.44.129.82 198.44.136.56 198.44.136.82 198.54.130.153 198.54.131.152
            198.54.135.35 198.54.135.67 198.54.135.99 204.152.216.105 206.217.205.49 206.217.206.108
        """,
    },
]

# Exits of VPN providers serve other people in time. So long after it was last seen an address still says something.
FRESH_DAYS = 365

CAMPAIGN_OF = {address: campaign for campaign in CAMPAIGNS for address in campaign["addresses"].split()}


def is_fresh(campaign, moment):
    """Whether an event at a moment is near enough to the campaign to be told at full severity."""
    if not moment:
        return True
    age = date.fromisoformat(str(moment)[:10]) - date.fromisoformat(campaign["last_seen"])
    return age.days <= FRESH_DAYS
