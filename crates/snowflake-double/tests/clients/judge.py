"""Signs in with the official Python connector and asks; prints what it got, or how it was refused, as one line of JSON.

    judge.py HOST PORT ACCOUNT USER KEY_FILE SQL...
"""

import json
import logging
import sys

import snowflake.connector
from snowflake.connector.errors import Error

logging.disable(logging.CRITICAL)


def shown(cell: object) -> str:
    # Versions of the connector differ in the class of bytes.
    return repr(bytes(cell) if isinstance(cell, bytearray) else cell)


def main() -> None:
    host, port, account, user, key_file, *statements = sys.argv[1:]
    try:
        connection = snowflake.connector.connect(
            account=account,
            user=user,
            authenticator="SNOWFLAKE_JWT",
            private_key_file=key_file,
            host=host,
            port=int(port),
            protocol="http",
            login_timeout=10,
            network_timeout=20,
        )
    except Error as error:
        print(json.dumps({"refused": error.errno, "message": str(error.msg)}))
        return
    answers = []
    with connection:
        for sql in statements:
            cursor = connection.cursor()
            try:
                rows = cursor.execute(sql).fetchall()
                answers.append([[shown(cell) for cell in row] for row in rows])
            except Error as error:
                answers.append({"errno": error.errno, "sqlstate": error.sqlstate, "message": str(error.msg)})
    print(json.dumps({"answers": answers}))


main()
