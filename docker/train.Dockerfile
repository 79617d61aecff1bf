# Training on NVIDIA's GPUs; the host needs its driver and the NVIDIA Container Toolkit:
#   docker build -t fast-nst-train -f docker/train.Dockerfile .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -e HOME=/tmp -v "$PWD:/work" \
#     fast-nst-train train --style wave.jpg
# PyTorch's wheel for Linux brings CUDA and cuDNN, so that no image of NVIDIA's is needed.
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
ENV FAST_NST_HOME=/work/.fast_nst \
    PYTHONUNBUFFERED=1
# The newest versions that the wheel allows.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    wheel=$(ls /wheels/*.whl) \
    && pip install --no-cache-dir "${wheel}[train,heif]" \
    && useradd --create-home --uid 1000 painter \
    && mkdir /work \
    && chown painter /work
USER 1000
WORKDIR /work
ENTRYPOINT ["fast-nst"]
CMD ["train", "--help"]
