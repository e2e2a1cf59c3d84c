# `monitor` as an image: docs/howto/run-beside-dify.md. Runs as nobody in particular, writes to its volume alone.
#   docker build -t dify-monitor .

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY alerts alerts
COPY monitor monitor
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist .
# Without pip inside: what the image needs is in it, and nothing is installed later.
RUN python -m venv --without-pip /opt/dify-monitor \
 && pip --python /opt/dify-monitor/bin/python install --no-cache-dir /dist/*.whl

FROM python:3.13-slim
RUN groupadd --gid 10001 monitor \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/dify-monitor --shell /usr/sbin/nologin monitor \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/dify-monitor
COPY --from=build /opt/dify-monitor /opt/dify-monitor
# The address goes before the file's: inside a container loopback reaches nobody, and the health check reads it here.
ENV PATH=/opt/dify-monitor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MONITOR_JOURNAL__PATH=/var/lib/dify-monitor/journal \
    MONITOR_SERVER__LISTEN=0.0.0.0:9464
USER 10001:10001
WORKDIR /var/lib/dify-monitor
VOLUME /var/lib/dify-monitor
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s \
  CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['MONITOR_SERVER__LISTEN'].rpartition(':')[2]), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["monitor"]
CMD ["run"]
