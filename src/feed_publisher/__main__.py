"""python -m feed_publisher"""

from feed_publisher.cli.main import main

if __name__ == "__main__":
    main()
