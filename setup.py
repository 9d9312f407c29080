"""The one thing that setup.cfg cannot say: the compiled cipher.

It is optional: with no compiler the installation still succeeds, on the pure version (smok_twisted.cipher).
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "smok_twisted.cipher._rabbit",
            ["smok_twisted/cipher/_rabbit.c"],
            extra_compile_args=["-std=c99", "-O3"],
            py_limited_api=True,
            optional=True,
        )
    ]
)
