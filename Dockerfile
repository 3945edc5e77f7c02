# The dashboard in a container: CPU only, as a user without rights. How to run it: docs/deployment.md.
FROM python:3.11-slim-bookworm AS packages
# PyTorch's CPU packages (its installation page gives the address): without them the image holds CUDA, several GB.
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.txt .
# Tests and C++ headers of libraries are a tenth of the image.
RUN python -m venv /opt/venv && /opt/venv/bin/pip install -r requirements.txt \
    && find /opt/venv/lib -type d \( -name tests -o -path '*/torch/test' -o -path '*/torch/include' \) -prune -exec rm -r {} +

FROM python:3.11-slim-bookworm
# Spaces of Hugging Face run containers as user 1000, too.
RUN useradd --uid 1000 --create-home attnscope && install -d -o attnscope -g attnscope /runs
COPY --from=packages /opt/venv /opt/venv
WORKDIR /attnscope
COPY .streamlit .streamlit
COPY analysis analysis
COPY app app
COPY models models
COPY checkpoints checkpoints
COPY samples samples
COPY LICENSE CITATION.cff ./
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 ATTNSCOPE_RUNS=/runs
USER 1000
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://localhost:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["--host", "0.0.0.0", "--port", "8501"]
