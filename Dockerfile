# Goldwash in a container: built by the same scripts/install as on a machine, run as a user of its own, data in a volume.
#   docker build -t goldwash . && docker run --stop-timeout 40 -p 127.0.0.1:8080:8080 -v goldwash:/data goldwash
#   docker exec CONTAINER goldwash sql "FROM cost_daily"
FROM python:3.11-slim-bookworm AS build
WORKDIR /goldwash
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY . .
RUN scripts/install

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data goldwash && install -d -o goldwash /data
COPY --from=build /goldwash /goldwash
ENV PATH=/goldwash/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 GOLDWASH_DATA_DIR=/data GOLDWASH_PROXY__HOST=0.0.0.0 GOLDWASH_PROXY__OPEN_TO_NETWORK=true
USER goldwash
WORKDIR /data
VOLUME /data
EXPOSE 8080
# The admin port stays on the container's loopback: publish it only with a token (docs/configuration.md, [admin]).
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8081/readyz', timeout=2)"
ENTRYPOINT ["goldwash"]
CMD ["up"]
