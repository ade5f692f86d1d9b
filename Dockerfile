# One image for the four services; what it runs is the command.
#   docker build --build-arg EXTRAS=cpu .          ingest, inference, registry
#   docker build --build-arg EXTRAS=cpu,train .    trainer
#   docker build --build-arg EXTRAS=gpu .          inference on NVIDIA GPUs
FROM python:3.11-slim

ARG EXTRAS=cpu
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/precordia

WORKDIR /opt/precordia
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY precordia precordia
COPY services services
COPY tui tui
COPY cli cli
COPY scripts/make-certificates scripts/make-certificates

RUN case "$EXTRAS" in *train*) pip install torch==2.13.0 ;; esac \
 && pip install --constraint constraints.txt ".[${EXTRAS}]" \
 && useradd --system --create-home --uid 10001 precordia \
 && mkdir -p /data /var/cache/precordia \
 && chown precordia /data /var/cache/precordia

USER precordia
VOLUME /data
CMD ["precordia", "--help"]
