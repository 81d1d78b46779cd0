# One image for every part: web, worker, beat, sampler. Untested where no container can be run.
FROM python:3.11.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STREAMLAB_VAR=/app/var

RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin streamlab
WORKDIR /app

COPY requirements.txt requirements-postgres.txt ./
RUN pip install --no-cache-dir -r requirements.txt -r requirements-postgres.txt

COPY manage.py pyproject.toml LICENSE ./
COPY streamlab streamlab
COPY dashboard dashboard
COPY templates templates
COPY static static

# Collected, hashed and compressed at build time; the key is used for nothing that is kept.
RUN SECRET_KEY=only-for-collecting STREAMLAB_STATIC=collected python manage.py collectstatic --noinput \
    && chown -R streamlab /app/var

USER streamlab
EXPOSE 8000

CMD ["python", "-m", "uvicorn", "dashboard.config.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--ws", "websockets-sansio", "--ws-max-size", "65536", "--ws-max-queue", "16", \
     "--timeout-graceful-shutdown", "5", "--limit-concurrency", "1000", "--lifespan", "off", \
     "--no-server-header", "--no-access-log", "--proxy-headers"]
