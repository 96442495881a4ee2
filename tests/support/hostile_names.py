"""Names that break a program which puts them unescaped into pages, CSV, logs or queries."""

MARKUP = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert('2')</script>"
ATTRIBUTE = '" autofocus onfocus="alert(3)'
TEMPLATE = "{{ 7 * 7 }}{% raw %}"
FORMULA = '=HYPERLINK("http://example.com";"x")'
JAPANESE = "需要予測_東京都品川区_２０２６年１１月"
ARABIC = "توقع الطلب ٢٠٢٦"
REVERSED = "gnp.\u202etxe"
LONG = "ein-sehr-langer-name-" * 20
LINES = "first line\r\nSet-Cookie: a=b"

HOSTILE = (MARKUP, SCRIPT, ATTRIBUTE, TEMPLATE, FORMULA, JAPANESE, ARABIC, REVERSED, LONG, LINES)
