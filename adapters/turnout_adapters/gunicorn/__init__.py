"""The gunicorn engines: one for each of gunicorn's workers that leaves a request its socket.

An application is mounted by the module of its worker and started by gunicorn's own command line:

    gunicorn -k gevent module:application
"""
