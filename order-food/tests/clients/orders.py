"""Places orders over one kept connection, as requests and urllib3 do: URL, count."""

import http.client
import sys
import urllib.parse

url, count = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])
connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
body = '{"items":[{"productId":"1","quantity":1}]}'
headers = {"Content-Type": "application/json", "api_key": "apitest"}
for number in range(count):
    connection.request("POST", url.path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"order {number}: {answer.status} {text!r}")
