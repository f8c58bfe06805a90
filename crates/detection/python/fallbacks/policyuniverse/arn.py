"""Amazon resource names."""


class ARN:
    """`arn:partition:service:region:account:resource`; `error` when the text is none."""

    def __init__(self, input):
        self.arn = input
        parts = str(input).split(":", 5)
        self.error = len(parts) < 6 or parts[0] != "arn"
        self.root = False
        self.service = False
        if self.error:
            # A bare account number names the account; `x.amazonaws.com` a service.
            text = str(input)
            self.partition = self.region = self.name = None
            self.tech = None
            self.account_number = text if text.isdigit() and len(text) == 12 else None
            self.service = text.endswith(".amazonaws.com")
            if self.service:
                self.tech = text.split(".", 1)[0]
            self.error = self.account_number is None and not self.service
            return
        _, self.partition, self.tech, self.region, self.account_number, self.name = parts
        self.root = self.name == "root"
