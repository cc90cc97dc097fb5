# Cleans photos without PyTorch, as an ordinary user:
#   docker build -t denoise .
#   docker run --rm -v "$PWD:/photos" denoise denoise-image photo.jpg
FROM python:3.12-slim

WORKDIR /src
COPY requirements/photos.txt requirements/
RUN pip install --no-cache-dir -r requirements/photos.txt
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY denoise_cli denoise_cli
RUN pip install --no-cache-dir --no-deps . && rm -rf /src && useradd --create-home photographer

USER photographer
WORKDIR /photos
ENTRYPOINT ["denoise"]
CMD ["--help"]
