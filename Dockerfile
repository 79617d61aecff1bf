# The page and its service, for CPUs:
#   docker build -t fast-nst .
#   docker run --rm -p 127.0.0.1:8000:8000 fast-nst
# Other commands, as the owner of the folder:
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" fast-nst infer photo.jpg -o painting.jpg
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
ENV FAST_NST_HOME=/home/painter/fast_nst \
    PYTHONUNBUFFERED=1
# The newest versions that the wheel allows.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    wheel=$(ls /wheels/*.whl) \
    && pip install --no-cache-dir "${wheel}[web,openvino,heif,video]" \
    && useradd --create-home --uid 1000 painter \
    && mkdir /work \
    && chown painter /work
USER 1000
WORKDIR /work
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["fast-nst"]
# Who reaches the container is decided by -p, above.
CMD ["serve", "--no-browser", "--host", "0.0.0.0", "--allow-remote"]
