"""Files in a registry, through the Python client of ORAS:

    push REFERENCE FILE:MEDIA_TYPE CONFIG:MEDIA_TYPE
    pull REFERENCE FOLDER

Passwords come from DOCKER_CONFIG.
"""

import os
import sys

from oras.client import OrasClient

action, reference, *rest = sys.argv[1:]
host = reference.split("/")[0]
client = OrasClient(hostname=host, insecure=True, auth_backend="basic")
# By itself it looks only into the user's home.
passwords = os.path.join(os.environ["DOCKER_CONFIG"], "config.json")
if action == "push":
    file, config = rest
    client.push(
        reference, files=[file], manifest_config=config, config_path=passwords
    )
else:
    (folder,) = rest
    client.pull(reference, outdir=folder, config_path=passwords)
