"""Makes the bucket `bucket` on a moto server, and a user who may do everything there but what
is denied; from then on the server checks signatures and rights. Prints the user's key as
restic reads it.

Usage: moto.py URL [DENIED-ACTION DENIED-RESOURCE]
"""

import json
import sys
import urllib.request

import boto3

url, denied = sys.argv[1], sys.argv[2:]
anyone = dict(
    endpoint_url=url,
    region_name="us-east-1",
    aws_access_key_id="anyone",
    aws_secret_access_key="anyone",
)
boto3.client("s3", **anyone).create_bucket(Bucket="bucket")
iam = boto3.client("iam", **anyone)
rules = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
if denied:
    rules.append({"Effect": "Deny", "Action": denied[0], "Resource": denied[1]})
iam.create_user(UserName="restic")
iam.put_user_policy(
    UserName="restic",
    PolicyName="restic",
    PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": rules}),
)
key = iam.create_access_key(UserName="restic")["AccessKey"]
strict = urllib.request.Request(
    url + "/moto-api/reset-auth",
    data=b"0",
    method="POST",
    headers={"Content-Type": "text/plain"},
)
urllib.request.urlopen(strict)
print("AWS_ACCESS_KEY_ID=" + key["AccessKeyId"])
print("AWS_SECRET_ACCESS_KEY=" + key["SecretAccessKey"])
