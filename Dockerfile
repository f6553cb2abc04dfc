# syntax=docker/dockerfile:1
# The first stage installs with pip; of it only the virtual environment goes on. docs/image.md says what of this is
# tested, and how.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
SHELL ["/bin/sh", "-eu", "-c"]
WORKDIR /src

# The locks change seldom, so these layers are seldom made again. Hashes everywhere, the build backend's included.
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv --without-pip /opt/rotator \
 && python -m pip --python /opt/rotator/bin/python install --require-hashes --only-binary :all: -r requirements.lock
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' requirements-dev.lock > backend.lock \
 && python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes --only-binary :all: -r backend.lock

COPY pyproject.toml README.md LICENSE ./
COPY rotator ./rotator
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && python -m pip --python /opt/rotator/bin/python install --no-deps --no-index dist/*.whl \
 && python -m pip --python /opt/rotator/bin/python check

# Without compiled modules every start on a read-only file system takes seconds longer. Unchecked, because a builder
# may rewrite the files' times.
RUN python -m compileall -q -f --invalidation-mode unchecked-hash /opt/rotator/lib \
 && /opt/rotator/bin/rotator --version

FROM python:3.12-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="apim-token-rotator" \
      org.opencontainers.image.description="Rotates the access tokens of Azure API Management self-hosted gateways" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The base image comes with pip and without compiled modules.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip \
 && rm -rf /usr/local/lib/python3.12/ensurepip \
 && python -m compileall -q -f --invalidation-mode unchecked-hash -x 'lib2to3/tests|/test/|/tests/' /usr/local/lib/python3.12

COPY --from=build /opt/rotator /opt/rotator
ENV PATH=/opt/rotator/bin:$PATH HOME=/ PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# A number, so that runAsNonRoot can be checked. It has no entry in /etc/passwd, so HOME has to be said: a library asks.
# Nothing is written anywhere.
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["rotator"]
CMD ["run"]
