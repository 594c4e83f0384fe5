# Two stages: the first installs into /opt/plimsoll, the second carries only that and the interpreter.
FROM python:3.13-slim AS build
# What is there besides: `docker build --build-arg EXTRAS=notify,ccxt .` adds account sync and feeds by ccxt.
ARG EXTRAS=notify
WORKDIR /src
RUN python -m venv --without-pip /opt/plimsoll
COPY pyproject.toml constraints.txt ./
# The dependencies in a layer of their own, under an empty package: a change of the code does not install them again.
RUN mkdir service && touch service/__init__.py README.md LICENSE \
    && python -m pip --python /opt/plimsoll install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"
COPY README.md LICENSE ./
COPY service service
# What is compiled below is known by its sources' times, of which a copied layer keeps whole seconds: so they have no more.
RUN python -m pip --python /opt/plimsoll install --no-cache-dir --no-deps --force-reinstall . \
    && find /opt/plimsoll/lib -path '*/service/*.py' -exec touch --date="@$(date +%s)" {} + \
    && /opt/plimsoll/bin/python -m compileall -q /opt/plimsoll
# Ticks, prices and answers are compiled where they are first called; done here, a container starts at once. The machine
# code is found again by the place of its source: -P, so that it is the installed one and not the folder here.
RUN NUMBA_CACHE_DIR=/opt/plimsoll/compiled /opt/plimsoll/bin/python -P -c \
    "from service import app; from service.monitor import judges; app.warm_up(); judges.warm_up()"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Plimsoll" \
      org.opencontainers.image.description="Real-time risk for perpetual futures" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 plimsoll \
    && useradd --system --uid 10001 --gid plimsoll --no-create-home --home-dir /data --shell /usr/sbin/nologin plimsoll \
    && install --directory --owner=plimsoll --group=plimsoll /data
COPY --from=build /opt/plimsoll /opt/plimsoll
COPY --from=build --chown=plimsoll:plimsoll /opt/plimsoll/compiled /opt/plimsoll/compiled
ENV PATH=/opt/plimsoll/bin:$PATH \
    NUMBA_CACHE_DIR=/tmp/compiled \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PLIMSOLL_HOST=0.0.0.0 \
    PLIMSOLL_PORT=8000 \
    PLIMSOLL_DATA_DIR=/data
USER plimsoll
WORKDIR /data
VOLUME /data
EXPOSE 8000
# The process is up; whether it can serve (Redis there, every shard owned) is what /readyz says.
HEALTHCHECK --interval=4s --timeout=5s --start-period=30s --retries=5 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PLIMSOLL_PORT\"]}/livez', timeout=2)"]
# Machine code is only read from where it could be written too, and Compose and Kubernetes mount the image read-only.
ENTRYPOINT ["sh", "-c", "cp -r /opt/plimsoll/compiled /tmp/ && exec plimsoll \"$@\"", "plimsoll"]
CMD ["serve"]
