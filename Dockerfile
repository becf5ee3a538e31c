# One image for web, worker, sweeper and migrate; see docker-compose.yml.
FROM python:3.11-slim-bookworm AS packages
COPY requirements.txt /
# Byte code is compiled here: the running container cannot write any.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /requirements.txt
COPY . /app
# Whoever checked it out may have kept it to himself; the user of the container reads it.
RUN python -m compileall -q /app && chmod -R a+rX /app

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 hiki \
    && useradd --uid 10001 --gid hiki --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hiki \
    && install --directory --owner=hiki --group=hiki --mode=0750 /var/lib/hikiproject
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=hikiproject.settings \
    HIKI_STATE=/var/lib/hikiproject
USER 10001:10001
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "--backpressure", "64", "--respawn-failed-workers", "hikiproject.wsgi:application"]
