# The page on a processor, without a GPU. docs/docker.md says how to build and start it, and what was not tried.
FROM python:3.12-slim

# OpenCV needs these two libraries.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 actrec
WORKDIR /app

# PyTorch's own build for processors leaves out 4 GB of CUDA libraries.
COPY requirements.txt ./
RUN pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -r requirements.txt

COPY app.py LICENSE README.md ./
COPY actrec ./actrec
COPY demo ./demo
COPY assets ./assets
COPY weights ./weights
COPY benchmarks/results ./benchmarks/results

# Trainings and saved actions, and what is fetched or computed once; everything else is read only for this user.
RUN mkdir -p runs /home/actrec/.cache && chown actrec:actrec runs /home/actrec/.cache
USER actrec
VOLUME /app/runs
EXPOSE 7860

HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]

# 0.0.0.0 is the container's own network: publish the port on 127.0.0.1 only. The page asks for ACTREC_PASSWORD.
CMD ["python", "app.py", "--host", "0.0.0.0"]
